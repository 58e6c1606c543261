/** What is wrong with one part of a REST request, as FastAPI and pydantic tell it. */
export interface RestFault {
  /** `path`, `query` or `body` first, then the field's name. */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** A value, or what is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly fault: Omit<RestFault, "loc"> };

export function fault(type: string, msg: string): { readonly fault: Omit<RestFault, "loc"> } {
  return { fault: { msg, type } };
}
