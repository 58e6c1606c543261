import { parseDatabaseUrl } from "./database-address.js";

const SECRET = "hunter2";
const WHOLE = {
  host: "db.example",
  port: 3307,
  user: "user",
  password: SECRET,
  database: "tasks",
  tls: undefined,
};

describe("parseDatabaseUrl", () => {
  it.each<[string, string, Partial<typeof WHOLE> | { tls: object }]>([
    ["every part", "mariadb://user:hunter2@db.example:3307/tasks", {}],
    ["TLS", "mariadb://user:hunter2@db.example:3307/tasks?ssl=true", { tls: { ca: undefined } }],
    ["no port", "mariadb://user:hunter2@db.example/tasks", { port: 3306 }],
    ["the scheme in capitals", "MARIADB://user:hunter2@db.example:3307/tasks", {}],
    ["no password", "mariadb://user@db.example:3307/tasks", { password: "" }],
    ["an empty password", "mariadb://user:@db.example:3307/tasks", { password: "" }],
    ["a password with a colon and an at sign", "mariadb://user:a:b@c@db.example:3307/tasks", { password: "a:b@c" }],
    [
      "percent-encoding",
      "mariadb://us%40er:p%2F%23%3F%25%20%C3%BC@db.example:3307/a%2Fb",
      { user: "us@er", password: "p/#?% ü", database: "a/b" },
    ],
    [
      "letters beyond ASCII",
      "mariadb://üser:pä@db.example:3307/größe",
      { user: "üser", password: "pä", database: "größe" },
    ],
    ["an IPv4 address", "mariadb://user:hunter2@10.1.2.3:3307/tasks", { host: "10.1.2.3" }],
    ["an IPv6 address", "mariadb://user:hunter2@[2001:db8::1]:3307/tasks", { host: "2001:db8::1" }],
    ["an IPv6 address with a zone", "mariadb://user:hunter2@[fe80::1%25eth0]:3307/tasks", { host: "fe80::1%eth0" }],
    ["an international name", "mariadb://user:hunter2@bücher.example:3307/tasks", { host: "xn--bcher-kva.example" }],
    ["a name with an underscore", "mariadb://user:hunter2@task_db:3307/tasks", { host: "task_db" }],
    ["a name with a dot at its end", "mariadb://user:hunter2@db.example.:3307/tasks", { host: "db.example." }],
  ])("reads a URL with %s", (_, url, expected) => {
    expect(parseDatabaseUrl(url)).toEqual({ address: { ...WHOLE, ...expected }, faults: [] });
  });

  const FORM = /^must be mariadb:\/\/user:password@host:port\/database/;
  const HOST = /^the host must be one host name or IP address/;
  const PORT = /^the port must be a number from 1 to 65535$/;
  const DATABASE = /^the database must/;
  const PARAMETER = /^the only parameter is ssl=true, once$/;
  const SPACE = /^must not contain white space or control characters$/;

  it.each<[string, string, RegExp]>([
    ["nothing", "", FORM],
    ["another scheme", "mysql://user:hunter2@h/d", FORM],
    ["no scheme", "user:hunter2@h/d", FORM],
    ["no slashes", "mariadb:user:hunter2@h/d", FORM],
    ["one slash", "mariadb:/user:hunter2@h/d", FORM],
    ["a slash in the password", "mariadb://user:hunter2/x@h/d", FORM],
    ["a question mark in the password", "mariadb://user:hunter2?x@h/d", FORM],
    ["a number sign in the password", "mariadb://user:hunter2#x@h/d", FORM],
    [
      "a percent sign in the password",
      "mariadb://user:hunter2%zz@h/d",
      /^the password must be percent-encoded UTF-8; write % as %25$/,
    ],
    ["a password in Latin-1", "mariadb://user:hunter2%fc@h/d", /^the password must be percent-encoded UTF-8/],
    ["no account", "mariadb://h/d", /^the user must have 1 to 128 characters$/],
    ["no user", "mariadb://:hunter2@h/d", /^the user must have/],
    ["a user that the server would cut off", `mariadb://${"u".repeat(129)}:hunter2@h/d`, /^the user must have/],
    ["an encoded zero byte", "mariadb://us%00er:hunter2@h/d", /^the user must not contain control characters$/],
    ["an encoded line break", "mariadb://user:hunter2%0a@h/d", /^the password must not contain control characters$/],
    ["a space", "mariadb://user:hunter2 @h/d", SPACE],
    ["a line break inside", "mariadb://user:hunter2\n@h/d", SPACE],
    ["a line break at the end", "mariadb://user:hunter2@h/d\n", SPACE],
    ["a tab before it", "\tmariadb://user:hunter2@h/d", SPACE],
    ["a no-break space", "mariadb://user:hunter2\u00a0@h/d", SPACE],
    ["several hosts", "mariadb://user:hunter2@h1,h2:3306/d", HOST],
    ["several hosts with ports", "mariadb://user:hunter2@h1:3306,h2:3306/d", PORT],
    ["a socket's path", "mariadb://user:hunter2@%2Frun%2Fmysqld%2Fmysqld.sock/d", HOST],
    ["a socket's path as it is", "mariadb://user:hunter2@/run/mysqld/mysqld.sock", HOST],
    ["a socket's path in brackets", "mariadb://user:hunter2@[/run/mysqld.sock]/d", HOST],
    ["no host", "mariadb://user:hunter2@/d", HOST],
    ["no host before the port", "mariadb://user:hunter2@:3306/d", HOST],
    ["an IPv6 address without brackets", "mariadb://user:hunter2@::1/d", HOST],
    ["brackets around a name", "mariadb://user:hunter2@[localhost]/d", HOST],
    ["brackets that nothing closes", "mariadb://user:hunter2@[::1/d", HOST],
    ["an old spelling of an address", "mariadb://user:hunter2@127.1/d", HOST],
    ["an address in hexadecimal", "mariadb://user:hunter2@0x7f000001/d", HOST],
    ["an address out of range", "mariadb://user:hunter2@10.0.0.256/d", HOST],
    ["a wildcard", "mariadb://user:hunter2@*/d", HOST],
    ["a name with an empty label", "mariadb://user:hunter2@a..b/d", HOST],
    ["port 0", "mariadb://user:hunter2@h:0/d", PORT],
    ["a port out of range", "mariadb://user:hunter2@h:65536/d", PORT],
    ["an empty port", "mariadb://user:hunter2@h:/d", PORT],
    ["a negative port", "mariadb://user:hunter2@h:-1/d", PORT],
    ["a port by name", "mariadb://user:hunter2@h:mysql/d", PORT],
    ["no database", "mariadb://user:hunter2@h", DATABASE],
    ["an empty database", "mariadb://user:hunter2@h/", DATABASE],
    ["two databases", "mariadb://user:hunter2@h/d/e", DATABASE],
    ["a slash at the end", "mariadb://user:hunter2@h/d/", DATABASE],
    ["a database that is too long", `mariadb://user:hunter2@h/${"d".repeat(65)}`, DATABASE],
    ["an unknown parameter", "mariadb://user:hunter2@h/d?nonsense=1", PARAMETER],
    ["another name for TLS", "mariadb://user:hunter2@h/d?sslmode=require", PARAMETER],
    ["TLS switched off", "mariadb://user:hunter2@h/d?ssl=false", PARAMETER],
    ["TLS in capitals", "mariadb://user:hunter2@h/d?ssl=TRUE", PARAMETER],
    ["TLS without a value", "mariadb://user:hunter2@h/d?ssl", PARAMETER],
    ["TLS twice", "mariadb://user:hunter2@h/d?ssl=true&ssl=true", PARAMETER],
    ["a parameter beside TLS", "mariadb://user:hunter2@h/d?ssl=true&connectTimeout=1", PARAMETER],
    ["an empty query", "mariadb://user:hunter2@h/d?", PARAMETER],
    ["a password as a parameter", "mariadb://user@h/d?password=hunter2", PARAMETER],
    ["a fragment", "mariadb://user:hunter2@h/d#hunter2", /^must not have a fragment; write # as %23$/],
  ])("refuses a URL with %s, and repeats nothing of it", (_, url, fault) => {
    const { faults } = parseDatabaseUrl(url);
    expect(faults).toContainEqual(expect.stringMatching(fault));
    expect(faults.join("\n")).not.toMatch(/hunter2|h1|mysqld|nonsense|65536/);
  });
});
