import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { anchorsOf, readPage, relativeLinks, root } from "./markdown.js";

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

describe("the pages' links", () => {
  it.each(pages)("%s leads to files that are there, and to headings that they have", (page) => {
    const missing = relativeLinks(readPage(page)).filter(({ target, anchor }) => {
      const path = target === "" ? page : join(dirname(page), target);
      return !existsSync(join(root, path)) || (anchor !== undefined && !anchorsOf(readPage(path)).has(anchor));
    });
    expect(missing).toEqual([]);
  });
});
