export { createDatabase, type Database } from "./database/database.js";
export { migrate } from "./database/migrations/migrate.js";
export { migrationsFolder } from "./migrations-folder.js";
