import { readPage } from "./markdown.js";

/** What is deployed, held to what the pages promise of it, as far as that shows without a container engine. */

const DOCKERFILES = ["Dockerfile.api", "Dockerfile.scheduler"];
const MANIFESTS = [
  "docker-compose.yml",
  "k8s/api.yaml",
  "k8s/scheduler.yaml",
  "helm/taskscheduler/templates/api.yaml",
  "helm/taskscheduler/templates/scheduler.yaml",
];
/** The database image's own, and those that move what compose publishes. */
const OF_OTHERS = /^(MARIADB_|MYSQL_|DATABASE_PASSWORD$|API_(HTTP|GRPC)_PORT$|SCHEDULER_HTTP_PORT$)/;

describe("docker-compose.yml", () => {
  const ports = [...readPage("docker-compose.yml").matchAll(/^ {6}- (\S*:\d+)$/gm)].map(([, port = ""]) => port);

  it("publishes the three ports on this machine's loopback alone", () => {
    expect(ports.map((port) => port.replace(/\$\{\w+:-(\d+)\}/, "$1"))).toEqual([
      "127.0.0.1:8000:8000",
      "127.0.0.1:50051:50051",
      "127.0.0.1:8001:8001",
    ]);
  });

  it("publishes the database nowhere", () => {
    const [, database = ""] = /^ {2}db:\n(.*?)^ {2}api:$/ms.exec(readPage("docker-compose.yml")) ?? [];
    expect(database).toContain("image: mariadb");
    expect(database).not.toMatch(/^ {4}(ports|network_mode):/m);
  });
});

describe.each(DOCKERFILES)("%s", (path) => {
  const stages = readPage(path)
    .split(/^FROM /m)
    .slice(1);

  it("builds in stages, and its last one is not root's, tells its health, and refuses failpoints", () => {
    expect(stages.length).toBeGreaterThan(2);
    const last = stages.at(-1) ?? "";
    expect([...last.matchAll(/^USER (\S+)$/gm)].map(([, user]) => user)).toEqual(["node"]);
    expect(last).toMatch(/^HEALTHCHECK /m);
    expect(last).toMatch(/^ENV NODE_ENV=production$/m);
    expect(last).not.toMatch(/^COPY \. /m);
  });

  it("copies the manifest of each package that npm installs", () => {
    const { workspaces } = JSON.parse(readPage("package.json")) as { workspaces: string[] };
    expect(workspaces).toEqual(["packages/*"]);
    const locked = Object.keys((JSON.parse(readPage("package-lock.json")) as { packages: object }).packages);
    const packages = locked.filter((name) => /^packages\/[^/]+$/.test(name));
    expect(packages.length).toBeGreaterThan(3);
    for (const name of packages) expect(stages[0]).toContain(`COPY ${name}/package.json ${name}/\n`);
  });
});

it.each(MANIFESTS)("%s sets variables that the README explains, and no others", (path) => {
  const readme = readPage("README.md");
  const names = [...readPage(path).matchAll(/^ *(?:- name: |)([A-Z][A-Z_]{2,})(?:: .*)?$/gm)].map(
    ([, name = ""]) => name,
  );
  const ours = names.filter((name) => !OF_OTHERS.test(name));
  expect(ours.length).toBeGreaterThan(1);
  expect(ours.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});
