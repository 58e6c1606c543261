import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { file_google_rpc_error_details, file_grpc_health_v1_health } from "@taskscheduler/proto";

type AddService = Pick<Server, "addService">;
type Package = ConstructorParameters<typeof ReflectionService>[0];

/** `grpc.reflection.v1` and `v1alpha`: tells of the files' services, of health, of itself, and what errors carry as details. */
export function addReflection(server: AddService, files: readonly DescFile[]): void {
  const described = new Map<string, Buffer>();
  for (const file of [...files, file_google_rpc_error_details, file_grpc_health_v1_health]) describe(file, described);
  const own = ownFiles();
  reflectionOf([...described.values(), ...own]).addToServer(server);
}

function reflectionOf(fileDescriptorProtos: readonly Buffer[]): ReflectionService {
  // The shape that @grpc/proto-loader gives; nothing else of it is read.
  return new ReflectionService({ all: { fileDescriptorProtos } } as unknown as Package);
}

/** The file and all that it imports, by their names. */
function describe(file: DescFile, described: Map<string, Buffer>): void {
  const { name } = file.proto;
  if (described.has(name)) return;
  described.set(name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  for (const dependency of file.dependencies) describe(dependency, described);
}

/** The library has its own protos only in what it adds to a server. */
function ownFiles(): Buffer[] {
  const files: Buffer[] = [];
  reflectionOf([]).addToServer({
    addService(definition) {
      for (const method of Object.values(definition)) {
        if ("requestType" in method) files.push(...fileDescriptorsOf(method.requestType));
      }
    },
  });
  return files;
}

function fileDescriptorsOf(type: unknown): Buffer[] {
  if (typeof type !== "object" || type === null || !("fileDescriptorProtos" in type)) return [];
  return Array.isArray(type.fileDescriptorProtos) ? type.fileDescriptorProtos.filter(Buffer.isBuffer) : [];
}
