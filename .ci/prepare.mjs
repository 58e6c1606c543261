import { ensureDependencies } from "../scripts/dependencies.mjs";
import { runMain } from "../scripts/fault.mjs";
import { ensureLibfaketimeInstalled } from "../scripts/libfaketime.mjs";
import { ensureMariaDbInstalled } from "../scripts/mariadb.mjs";

/** What the machine has to have before anything is checked. */
await runMain(async () => {
  await ensureDependencies();
  await ensureMariaDbInstalled();
  await ensureLibfaketimeInstalled();
});
