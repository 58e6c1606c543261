import { readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(__dirname, "..", "..");

/** A fenced block that its page marks by `run`, as in "```bash run": it works as it stands. */
export interface RunnableBlock {
  /** The heading that it stands under. */
  readonly section: string;
  readonly language: string;
  readonly code: string;
}

export function readPage(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function runnableBlocks(page: string): RunnableBlock[] {
  const blocks: RunnableBlock[] = [];
  let section = "";
  for (const [, heading, language, code] of page.matchAll(/^#+ ([^\n]+)$|^```(\w+) run\n(.*?)^```$/gms)) {
    if (heading !== undefined) section = heading;
    else blocks.push({ section, language: language ?? "", code: code ?? "" });
  }
  return blocks;
}

/** Where a page's links inside of the repository lead to, as they are written, without their anchors. */
export function relativeLinks(page: string): string[] {
  const prose = page.replace(/^```.*?^```$/gms, "").replace(/`[^`]*`/g, "");
  const targets = [...prose.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^https?:/.test(target));
}
