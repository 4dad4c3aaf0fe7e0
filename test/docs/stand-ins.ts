/**
 * What stands in for the world in the pages: where a page writes an address or folder of a team, its blocks are run with
 * one of this machine. This table is all that differs between what a reader copies and what is run.
 */

/** Where things are on this machine. */
export interface Places {
  /** The page's own folder, in which its blocks run. */
  readonly folder: string;
  /** `http://127.0.0.1:PORT` of a real S3 server. */
  readonly s3: string;
  /** A bucket there, for this page alone. */
  readonly bucket: string;
}

/** What is replaced, and by what; each pair in each block. */
export function standIns({ folder, s3, bucket }: Places): readonly (readonly [RegExp, string])[] {
  return [
    // Trackers: what they were sent is looked at, so that a real one must take it; MLflow's and W&B's servers are in test/e2e.
    [
      /mlflow(?:\+https?)?:\/\/[\w.-]+(?::\d+)?\/(\w+)(?:\?token=env:\w+)?/g,
      `tensorboard://${folder}/events-of-mlflow/$1`,
    ],
    [/wandb:\/\/[\w-]+\/(\w+)/g, `wandb+offline://${folder}/wandb?project=$1`],
    [/tensorboard:\/\/\/(?!work)(\w+\/\w+|events)/g, `tensorboard://${folder}/$1`],
    [/clearml:\/\/(\w+)/g, `clearml+offline://${folder}/clearml?project=$1`],
    [/S3ModelRegistry\("my-bucket"/g, `S3ModelRegistry("${bucket}", endpoint="${s3}"`],
    [
      /s3:\/\/(my-bucket|models)\/([\w/]*)(?!\S*endpoint)/g,
      `s3://${bucket}/$1/$2?endpoint=${s3}&region=us-east-1`,
    ],
    // README.md has an operator `op` that was loaded, and one that is to be trained: the preamble has the second.
    [/TrainingLoop\(op, (?=FileDataset\("train\.npz", repo=)/g, "TrainingLoop(fresh_op, "],
    // Folders of somebody else's machine.
    [/\/(?:work\/project|regulatory|mnt\/models|mnt\/cluster|srv)(?=["/ \n])/g, `${folder}$&`],
  ];
}

/** A block as it runs here. */
export function withStandIns(code: string, places: Places): string {
  return standIns(places).reduce((text, [from, to]) => text.replace(from, to), code);
}

/** Pages whose blocks are run by a suite of their own. */
export const PLAYED_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["docs/examples/train-with-mlflow.md", "test/e2e/examples"],
  ["docs/examples/models-in-s3.md", "test/e2e/examples"],
  ["docs/examples/two-trackers.md", "test/e2e/examples"],
  ["docs/examples/training-artifact.md", "test/e2e/examples"],
  ["docs/examples/metaflow-flow.md", "test/e2e/examples"],
]);
