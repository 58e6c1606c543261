import type { z } from "zod";
import { ConfigError } from "./config-error.js";

/**
 * Checks a process's environment once, at its start. An empty variable counts as unset; variables that the schema does
 * not know are left alone.
 *
 * A fault is `NAME: what is wrong`. No value is ever repeated: any of them may hold a password.
 *
 * @param schema an object schema whose keys are the variables' names; an issue's path begins with its variable
 * @param notSupportedYet documented variables that this version does not know what to do with; a set one is a fault
 * @returns the schema's output, frozen
 * @throws ConfigError
 */
export function parseEnvironment<S extends z.ZodType>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
  { notSupportedYet }: { readonly notSupportedYet: readonly string[] },
): z.output<S> {
  const variables = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const faults = notSupportedYet.filter((name) => name in variables).map((name) => `${name} is not supported yet`);
  const parsed = schema.safeParse(variables);
  if (!parsed.success) faults.push(...parsed.error.issues.map((issue) => faultOf(issue, variables)));
  if (!parsed.success || faults.length > 0) throw new ConfigError([...new Set(faults)]);
  Object.freeze(parsed.data);
  return parsed.data;
}

function faultOf(issue: z.core.$ZodIssue, variables: Readonly<Record<string, unknown>>): string {
  const [variable] = issue.path;
  if (variable === undefined) return issue.message;
  const name = String(variable);
  const isMissing = issue.code === "invalid_type" && !(name in variables);
  return isMissing ? `${name}: is required` : `${name}: ${issue.message}`;
}
