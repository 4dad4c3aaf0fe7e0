/**
 * A real S3 server and a real MLflow server for tests that are no TypeScript: prints where they are as one line of JSON,
 * and ends them when its standard input ends. With `--s3` as argument there is no MLflow server.
 */
import { startMlflowServer } from "./mlflow-server.ts";
import { ADMIN, BUCKET, startSeaweed } from "./seaweed.ts";

const isAlone = process.argv.includes("--s3");
const [s3, mlflow] = await Promise.all([startSeaweed(), isAlone ? undefined : startMlflowServer()]);
const { accessKey, secretKey } = ADMIN;
console.log(
  JSON.stringify({ endpoint: s3.endpoint, bucket: BUCKET, accessKey, secretKey, mlflow: mlflow?.url }),
);
process.stdin.resume();
process.stdin.once("close", () => void Promise.all([s3.stop(), mlflow?.stop()]));
