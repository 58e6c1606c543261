import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { readPage, relativeLinks, root } from "./markdown.js";

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

describe("the pages' links", () => {
  it.each(pages)("%s leads to files that are there", (page) => {
    const missing = relativeLinks(readPage(page)).filter((link) => !existsSync(join(root, dirname(page), link)));
    expect(missing).toEqual([]);
  });
});
