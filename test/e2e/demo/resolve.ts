/** What a serving process in TypeScript does first: resolve the tag that it follows. Prints one JSON line. */
import { connect } from "@pipekit/experiment";

const client = await connect();
try {
  const hash = await client.registry().resolve("production");
  console.log(JSON.stringify({ hash }));
} finally {
  client.close();
}
