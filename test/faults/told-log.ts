import { fromBinary } from "@bufbuild/protobuf";
import { type Task, TaskChangeKind, TaskChangesSchema } from "@taskscheduler/proto";
import { createConnection } from "mariadb";

/** One change as a watcher is told it: `upserted id etag group` or `deleted id`. An etag names one change of one task. */
export type ToldChange = string;

/** The tasks a watcher knows of: `etag group` by id. */
export type Picture = ReadonlyMap<number, string>;

/** What a watcher knew when it stood at a revision. */
export interface PictureAt {
  readonly by: string;
  readonly revision: number;
  /** Of one group alone; undefined: of all tasks. */
  readonly group: string | undefined;
  readonly known: Picture;
}

/** The label that watchers filter by. */
export const GROUP_LABEL = "group";

export const standingOf = ({ etag, labels }: Pick<Task, "etag" | "labels">) => `${etag} ${labels[GROUP_LABEL] ?? ""}`;
export const upserted = (task: Pick<Task, "id" | "etag" | "labels">): ToldChange =>
  `upserted ${task.id} ${standingOf(task)}`;
export const deleted = (id: number): ToldChange => `deleted ${id}`;

/** What any watcher was told, by revision: all others must be told the same of it, and the database must hold it. */
export interface ToldLog {
  /** Throws when another watcher was told something else. */
  note(revision: number, change: ToldChange, by: string): void;
  /** The highest revision that was told. */
  last(): number;
  changes(): readonly (ToldChange | undefined)[];
}

export function createToldLog(): ToldLog {
  /** At its revision. */
  const told: ToldChange[] = [];
  return {
    note(revision, change, by) {
      const first = told[revision];
      if (first === undefined) told[revision] = change;
      else if (first !== change)
        throw new Error(`${by} was told "${change}" at ${revision}, and another watcher "${first}"`);
    },
    last: () => Math.max(told.length - 1, 0),
    changes: () => told,
  };
}

/** What the database's log says, by revision. */
export async function readLogTable(databaseUrl: string): Promise<ToldChange[]> {
  const connection = await createConnection(databaseUrl);
  try {
    const rows: { first: bigint; payload: Uint8Array }[] = await connection.query(
      "SELECT first_revision AS first, payload FROM changes ORDER BY revision",
    );
    const written: ToldChange[] = [];
    for (const { first, payload } of rows) {
      for (const [index, { kind, task }] of fromBinary(TaskChangesSchema, payload).changes.entries()) {
        if (task === undefined) throw new Error("a change without its task");
        written[Number(first) + index] = kind === TaskChangeKind.DELETED ? deleted(task.id) : upserted(task);
      }
    }
    return written;
  } finally {
    await connection.end();
  }
}

/** Changes from the first revision on, one after the other, with the picture of all tasks before each. */
function replay(
  log: readonly (ToldChange | undefined)[],
  visit: (revision: number, change: ToldChange, before: Picture) => void,
): Map<number, string> {
  const picture = new Map<number, string>();
  for (let revision = 1; revision < log.length; revision += 1) {
    const change = log[revision];
    if (change === undefined) throw new Error(`nobody was told of revision ${revision}`);
    visit(revision, change, picture);
    const [kind, id, etag, group] = change.split(" ");
    if (kind === "upserted") picture.set(Number(id), `${etag} ${group}`);
    else picture.delete(Number(id));
  }
  return picture;
}

const isOf = (group: string | undefined) => (standing: string | undefined) =>
  standing !== undefined && (group === undefined || standing.endsWith(` ${group}`));

/** The picture at the end of the log. */
export function pictureOf(log: readonly (ToldChange | undefined)[], group?: string): Picture {
  const matches = isOf(group);
  return new Map([...replay(log, () => undefined)].filter(([, standing]) => matches(standing)));
}

/** What a watcher of a group is to be told after a revision, `revision change` each. */
export function changesOf(log: readonly (ToldChange | undefined)[], group: string, after: number): string[] {
  const matches = isOf(group);
  const concerning: string[] = [];
  replay(log, (revision, change, before) => {
    if (revision <= after) return;
    const id = Number(change.split(" ")[1]);
    if (change.startsWith("upserted") && matches(change)) concerning.push(`${revision} ${change}`);
    else if (matches(before.get(id))) concerning.push(`${revision} ${deleted(id)}`);
  });
  return concerning;
}

/** Those that differ from what the log says of their revision, with the ids that do. */
export function wrongPictures(log: readonly (ToldChange | undefined)[], pictures: readonly PictureAt[]): object[] {
  const wrong: object[] = [];
  const byRevision = groupByRevision(pictures);
  const judge = (revision: number, truth: Picture) => {
    for (const { by, group, known } of byRevision.get(revision) ?? []) {
      const matches = isOf(group);
      const lacking = [...truth].filter(([id, standing]) => matches(standing) && known.get(id) !== standing);
      const beyond = [...known.keys()].filter((id) => !matches(truth.get(id)));
      if (lacking.length > 0 || beyond.length > 0) wrong.push({ by, revision, lacking, beyond });
    }
  };
  const end = replay(log, (revision, _, before) => judge(revision - 1, before));
  judge(log.length - 1, end);
  return wrong;
}

function groupByRevision(pictures: readonly PictureAt[]): Map<number, PictureAt[]> {
  const groups = new Map<number, PictureAt[]>();
  for (const picture of pictures) groups.set(picture.revision, [...(groups.get(picture.revision) ?? []), picture]);
  return groups;
}
