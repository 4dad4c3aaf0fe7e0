/** A process that serves a local registry: `node registry-server.ts <root> <staging> <socket>`; prints `ready`. */
import { registriesOn, serve } from "./registry-harness.ts";

const [root = "", staging = "", socket = ""] = process.argv.slice(2);
await serve(registriesOn(root, staging), socket);
process.stdout.write("ready\n");
