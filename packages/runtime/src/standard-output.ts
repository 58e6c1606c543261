import type { Descriptor } from "./line-output.js";

/** libuv's handle of a pipe, a socket or a terminal. Node.js does not document it and has had it since 0.12. */
interface StreamHandle {
  readonly fd: number;
  setBlocking(isBlocking: boolean): number;
}

const STANDARD_OUTPUT_FD = 1;

/**
 * The descriptor of standard output, so that writing to it does not wait.
 *
 * Node.js writes to a terminal by a descriptor of its own, so the shell's is left as it is. A pipe or a socket is shared:
 * when another Node.js process that has it ends, that process makes it blocking again. Hence `unblock` before each write.
 */
export function createStandardOutput(): Descriptor {
  const { _handle: handle } = process.stdout as { readonly _handle?: StreamHandle };
  // Files have no handle: they never wait. A terminal that Node.js could not open anew is the shell's, and stays blocking.
  const isShellsTerminal = process.stdout.isTTY && handle?.fd === STANDARD_OUTPUT_FD;
  if (handle === undefined || isShellsTerminal) return { fd: STANDARD_OUTPUT_FD, unblock: () => undefined };
  return { fd: handle.fd, unblock: () => void handle.setBlocking(false) };
}
