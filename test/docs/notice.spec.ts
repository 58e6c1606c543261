import { readPage } from "./markdown.js";

/** Licences that ask for no more than their text, which each package brings in its own folder. */
const NOTHING_FURTHER = /^\(?(MIT|ISC|0BSD|BlueOak-1\.0\.0|Apache-2\.0|CC0-1\.0|Unlicense)( OR [\w.-]+)?\)?$/;

interface LockedPackage {
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}

test("NOTICE names each package that is shipped under a licence which asks for more", () => {
  const { packages } = JSON.parse(readPage("package-lock.json")) as { packages: Record<string, LockedPackage> };
  const notice = readPage("NOTICE");
  const shipped = Object.entries(packages).filter(
    ([path, { dev, link }]) => path.includes("node_modules/") && dev !== true && link !== true,
  );
  expect(shipped.length).toBeGreaterThan(50);
  const missing = shipped.flatMap(([path, { license = "none" }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const isNamed = notice.includes(name) || notice.includes(name.replace(/\/.*/, "/*"));
    return NOTHING_FURTHER.test(license) || isNamed ? [] : [`${name}: ${license}`];
  });
  expect(missing).toEqual([]);
});
