/** Of a request or an answer, over gRPC, gRPC-Web and Connect. */
export const maxMessageBytes = 16 * 1024 * 1024;
