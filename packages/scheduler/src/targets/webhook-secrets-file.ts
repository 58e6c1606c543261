import { ConfigError, type Reloader, type ReloadOutcome, readFileAgain } from "@taskscheduler/runtime";
import { hasSameKeys, type ListedSecrets, parseWebhookSecrets, type WebhookSecrets } from "./webhook-secrets.js";

/** The signing secrets of `WEBHOOK_SECRETS_FILE`, as of its last reading without a fault. */
export class WebhookSecretsFile implements WebhookSecrets, Reloader {
  readonly variable = "WEBHOOK_SECRETS_FILE";
  readonly #path: string;
  #secrets: ListedSecrets;

  /** @param secrets what the file held at the start */
  constructor(path: string, secrets: ListedSecrets) {
    this.#path = path;
    this.#secrets = secrets;
  }

  get isEmpty(): boolean {
    return this.#secrets.isEmpty;
  }

  keysOf(name: string): readonly Buffer[] | undefined {
    return this.#secrets.keysOf(name);
  }

  async reload(): Promise<ReloadOutcome> {
    const { secrets, faults } = parseWebhookSecrets(await readFileAgain(this.variable, this.#path));
    if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${this.variable}: ${fault}`));
    if (hasSameKeys(this.#secrets, secrets)) return "unchanged";
    this.#secrets = secrets;
    return "changed";
  }
}
