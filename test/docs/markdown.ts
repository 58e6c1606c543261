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

export interface RelativeLink {
  /** As it is written; empty: the page itself. */
  readonly target: string;
  /** Of a heading; undefined: none. */
  readonly anchor: string | undefined;
}

/** A page's links inside of the repository. */
export function relativeLinks(page: string): RelativeLink[] {
  const prose = page.replace(/^```.*?^```$/gms, "").replace(/`[^`]*`/g, "");
  const links = [...prose.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)];
  return links.map(([, target = "", anchor]) => ({ target, anchor })).filter(({ target }) => !/^https?:/.test(target));
}

/** What a page's headings are linked by, as GitHub makes it of their words. */
export function anchorsOf(page: string): Set<string> {
  const headings = [...page.replace(/^```.*?^```$/gms, "").matchAll(/^#+ ([^\n]+)$/gm)];
  const slug = (text: string) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
  return new Set(headings.map(([, text = ""]) => slug(text)));
}
