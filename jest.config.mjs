/** Unit specs stand beside their source; what needs a socket or a database stands under test/. */
export default {
  testEnvironment: "node",
  roots: ["<rootDir>/packages", "<rootDir>/test"],
  testMatch: ["**/*.spec.ts"],
  // Room for a busy machine: what takes longer than usual has not failed. Speed is the benchmark's matter.
  testTimeout: 60_000,
  testSequencer: "<rootDir>/scripts/test-sequencer.cjs",
  modulePathIgnorePatterns: ["<rootDir>/packages/[^/]+/dist/"],
  transform: {
    // .mjs: what the specs use of scripts/.
    "^.+\\.(ts|mjs)$": [
      "@swc/jest",
      {
        module: { type: "commonjs" },
        jsc: {
          target: "es2022",
          parser: { syntax: "typescript", decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false },
          keepClassNames: true,
        },
      },
    ],
  },
  moduleNameMapper: {
    "^@taskscheduler/(proto|domain|runtime|api|scheduler)$": "<rootDir>/packages/$1/src/index.ts",
    "^(\\.{1,2}/.*)\\.js$": "$1",
  },
};
