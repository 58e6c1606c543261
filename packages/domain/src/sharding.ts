/** Fixed for ever: a shard is never stored, and every process must compute the same one. */
export const SHARD_COUNT = 64;

/**
 * The shard of a task, 0 to 63. Ids come from InnoDB's auto-increment, which counts up, so the remainder spreads them
 * evenly; where `auto_increment_increment` is n (a Galera cluster), some shards stay empty, and that costs nothing but
 * balance.
 */
export function shardOf(taskId: number): number {
  return taskId % SHARD_COUNT;
}

/**
 * Deals all shards out to the members by rendezvous hashing (Thaler and Ravishankar, 1996): each shard goes to the
 * member with the highest score for it. The order of `memberIds` does not matter, duplicates count once; a member that
 * leaves gives up its own shards only, and one that comes takes only what becomes its own.
 *
 * Every member is a key of the answer, with its shards in ascending order, none perhaps. No members: an empty map.
 */
export function assignShards(memberIds: readonly string[]): Map<string, number[]> {
  const members = [...new Set(memberIds)].sort();
  const assignment = new Map(members.map((member): [string, number[]] => [member, []]));
  const [first, ...others] = members;
  if (first === undefined) return assignment;
  for (let shard = 0; shard < SHARD_COUNT; shard++) {
    let owner = first;
    let ownerScore = score(first, shard);
    for (const member of others) {
      const memberScore = score(member, shard);
      // The first in the sorted order keeps a tie, so that all processes agree on it.
      if (memberScore > ownerScore) {
        owner = member;
        ownerScore = memberScore;
      }
    }
    assignment.get(owner)?.push(shard);
  }
  return assignment;
}

/**
 * FNV-1a (32 bits) over the member's UTF-16 code units and then the shard, with MurmurHash3's finalizer: FNV alone
 * leaves the high bits of texts that differ only at the end too much alike to be compared.
 */
function score(member: string, shard: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < member.length; i++) hash = Math.imul(hash ^ member.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ shard, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
