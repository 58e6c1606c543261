import { join } from "node:path";
import { type PrivateServer, startPrivateServer } from "../../scripts/mariadb.mjs";
import { type ApiClient, at, clientsOf, faultOf } from "../integration/api-fixture.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { describeWithSmallDisk, mountSmallDisk, type SmallDisk } from "../setup/small-disk.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const scheduledTime = at("2100-01-01T00:00:00Z");
/** A row is some kilobytes, and stays within its page. */
const description = "x".repeat(3_000);

describeWithSmallDisk("a disk of the database that is full", () => {
  let server: PrivateServer;
  let database: TestDatabase;
  let disk: SmallDisk;
  let api: ApiProcess;
  let client: ApiClient;
  let closeClients: () => void;
  let serial = 0;

  beforeAll(async () => {
    server = await startPrivateServer();
    database = await createTestDatabase(server.url);
    // The tables alone: the server's own files are elsewhere, as on a machine with a volume for its data.
    disk = mountSmallDisk(join(server.dataDir, database.name), 24);
    api = await startApi({ databaseUrl: database.url });
    await api.ready();
    const clients = clientsOf(api);
    client = clients.gRPC;
    closeClients = () => clients.close();
  });

  afterAll(async () => {
    closeClients?.();
    await killAll();
    await server?.kill();
    disk?.unmount();
    await server?.stop();
  });

  const create = () => client.call("createTask", { task: { name: `task ${++serial}`, scheduledTime, description } });

  async function fillUp(): Promise<void> {
    disk.fill();
    await eventually("creates are refused", async () => {
      const refused = await create().then(
        () => undefined,
        (error: unknown) => faultOf(Promise.reject(error)),
      );
      expect([undefined, "DATABASE_FULL"]).toContain(refused?.reason);
      return refused !== undefined;
    });
  }

  it("is told as such, reads go on, and writes do when there is room", async () => {
    const { task } = await create();
    await fillUp();
    expect(await faultOf(create())).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "DATABASE_FULL" });
    const rest = await fetch(`${api.httpUrl}/api/tasks/`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({ name: "n".repeat(200), scheduled_time: "2100-01-01T00:00:00" }),
    });
    expect([200, 507]).toContain(rest.status);
    expect((await client.call("getTask", { id: task!.id })).task).toEqual(task);
    expect(api.output()).toMatch(/"reason":"DATABASE_FULL".*the database fails calls/);
    disk.free();
    await create();
    expect(await api.isReady()).toBe(true);
    expect(api.output()).not.toMatch(/internal error|nobody caught/);
  });
});
