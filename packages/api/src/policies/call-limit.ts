import { ServiceError } from "@taskscheduler/domain";

/** So many at once; who comes beyond is refused with TOO_MANY_REQUESTS, and those under way are served. */
export interface CallLimit {
  /** Throws when it is reached. */
  enter(): void;
  leave(): void;
}

/** @param what of which there are too many, for the message */
export function createCallLimit(most: number, what: string): CallLimit {
  let underWay = 0;
  return {
    enter() {
      if (underWay >= most) {
        throw new ServiceError("TOO_MANY_REQUESTS", `${most} ${what} are under way; try again, or at another server`);
      }
      underWay += 1;
    },
    leave() {
      underWay -= 1;
    },
  };
}
