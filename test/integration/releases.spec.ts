import { SchemaRefusedError } from "../../packages/api/src/database/migrations/schema-refused-error.js";
import { eventually } from "../setup/eventually.js";
import { startMigrator } from "../setup/migrator.js";
import { killAll, startApi } from "../setup/processes.js";
import { checkSchema, migrate } from "../setup/schema.js";
import { takeSnapshot } from "../setup/schema-snapshot.js";
import { createRelease, createSchemaFixture, FOLDER, type OtherRelease, type SchemaFixture } from "./schema-fixture.js";

const STEPS = 9;
const UNKNOWN = "`schema_migrations` records steps that this release does not know: `9999-later`";

interface Later {
  readonly url: string;
  /** The release that took the step. */
  readonly release: OtherRelease;
}

let schemas: SchemaFixture;
let compatible: Later;
let incompatible: Later;
const releases: OtherRelease[] = [];

beforeAll(async () => {
  schemas = await createSchemaFixture();
  compatible = await migrateLater("yes");
  incompatible = await migrateLater("no");
});
afterAll(async () => {
  await killAll();
  for (const release of releases) await release.remove();
  await schemas?.stop();
});

/** A database that a later release has migrated. */
async function migrateLater(isCompatible: "yes" | "no"): Promise<Later> {
  const release = await createRelease(STEPS, {
    "9999-later.up.sql": `-- compatible: ${isCompatible}\nALTER TABLE tasks ADD COLUMN IF NOT EXISTS later INT NULL, ALGORITHM=DEFAULT;\n`,
    "9999-later.down.sql": "ALTER TABLE tasks DROP COLUMN IF EXISTS later, ALGORITHM=DEFAULT;\n",
  });
  releases.push(release);
  const url = await schemas.create("");
  expect((await migrate(url, release.folder, "up")).at(-1)).toBe("9999-later");
  return { url, release };
}

describe("a release that meets a newer schema", () => {
  it("refuses it, up and down, and changes nothing", async () => {
    const { url } = incompatible;
    await schemas.use(url);
    const before = await takeSnapshot(schemas.connection);
    for (const work of [
      () => migrate(url, FOLDER, "up"),
      () => migrate(url, FOLDER, "down"),
      () => checkSchema(url, FOLDER),
    ]) {
      const refusal = await work().catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(SchemaRefusedError);
      expect((refusal as SchemaRefusedError).message).toContain(UNKNOWN);
    }
    expect(await takeSnapshot(schemas.connection)).toEqual(before);
  });

  it("works on it when the newer steps are compatible, and takes no step down", async () => {
    const { url } = compatible;
    await schemas.use(url);
    const before = await takeSnapshot(schemas.connection);
    expect(await migrate(url, FOLDER, "up")).toEqual([]);
    await checkSchema(url, FOLDER);
    await expect(migrate(url, FOLDER, "down")).rejects.toThrow(UNKNOWN);
    expect(await takeSnapshot(schemas.connection)).toEqual(before);
    const api = await startApi({ databaseUrl: url });
    await api.ready();
    expect(await api.stop()).toBe(0);
  });

  it("refuses a compatible step that is not done", async () => {
    await schemas.use(compatible.url);
    await schemas.connection.query("UPDATE schema_migrations SET state = 'BEGUN' WHERE name = '9999-later'");
    await expect(migrate(compatible.url, FOLDER, "up")).rejects.toThrow(UNKNOWN);
    expect(await migrate(compatible.url, compatible.release.folder, "up")).toEqual(["9999-later"]);
  });

  it.each(["true", "false"])(
    "is not ready and says why (MIGRATE_ON_START=%s), until the newer release undoes its step",
    async (MIGRATE_ON_START) => {
      const { url, release } = incompatible;
      const api = await startApi({ databaseUrl: url, env: { MIGRATE_ON_START } });
      await eventually("it says why", async () => api.output().includes(UNKNOWN));
      expect(await api.isReady()).toBe(false);
      expect(await migrate(url, release.folder, "down")).toEqual(["9999-later"]);
      await api.ready();
      expect(await api.stop()).toBe(0);
      expect(await migrate(url, release.folder, "up")).toEqual(["9999-later"]);
    },
  );

  it.each(["up", "down"] as const)("ends `npm run migrate` %s with 78", async (direction) => {
    const { code, output } = await startMigrator(incompatible.url, direction).ended;
    expect(output).toBe(
      `the migration failed: the schema is refused: ${UNKNOWN}. Use the release that took these steps, or a newer one.\n`,
    );
    expect(code).toBe(78);
  });
});

it("a step may make anew what an earlier one has made, on an empty database and on one that has it", async () => {
  const create = "CREATE TABLE execution_stats (n INT PRIMARY KEY) ENGINE=InnoDB";
  const release = await createRelease(STEPS, {
    "9999-anew.up.sql": `-- compatible: no\nDROP TABLE IF EXISTS execution_stats;\n${create};\n`,
    "9999-anew.down.sql": "DO 0;\n",
  });
  releases.push(release);
  expect(await migrate(await schemas.create(""), release.folder, "up")).toHaveLength(STEPS + 1);
  const url = await schemas.create("");
  await migrate(url, FOLDER, "up");
  expect(await migrate(url, release.folder, "up")).toEqual(["9999-anew"]);
  expect(await schemas.connection.query("SHOW COLUMNS FROM execution_stats")).toHaveLength(1);
});

describe("a database of an earlier release, which recorded names alone", () => {
  async function createEarlier(count: number): Promise<string> {
    const release = await createRelease(count);
    releases.push(release);
    const url = await schemas.create("");
    if (count > 0) await migrate(url, release.folder, "up");
    const { connection } = schemas;
    if (count > 0)
      await connection.query(
        "ALTER TABLE schema_migrations DROP COLUMN state, DROP COLUMN compatible, DROP COLUMN holder, DROP COLUMN beat",
      );
    else
      await connection.query(
        "CREATE TABLE schema_migrations (name VARCHAR(255) PRIMARY KEY) ENGINE=InnoDB CHARSET=ascii COLLATE=ascii_bin",
      );
    return url;
  }
  const recorded = () =>
    schemas.connection.query("SELECT name, state, compatible FROM schema_migrations ORDER BY name");

  it.each([0, 1, 5, 7, 8])("goes on after %i steps", async (count) => {
    const url = await createEarlier(count);
    expect(await migrate(url, FOLDER, "up")).toHaveLength(STEPS - count);
    expect(await migrate(url, FOLDER, "up")).toEqual([]);
    const rows: { state: string }[] = await recorded();
    expect(rows).toHaveLength(STEPS);
    expect(rows.every(({ state }) => state === "DONE")).toBe(true);
  });

  it("is served as it is when nothing is left to do, and goes down", async () => {
    const url = await createEarlier(STEPS);
    const before = await takeSnapshot(schemas.connection);
    expect(await migrate(url, FOLDER, "up")).toEqual([]);
    await checkSchema(url, FOLDER);
    expect(await takeSnapshot(schemas.connection)).toEqual(before);
    expect(await migrate(url, FOLDER, "down")).toEqual(["0009-end-reasons"]);
    expect(await migrate(url, FOLDER, "up")).toEqual(["0009-end-reasons"]);
  });
});
