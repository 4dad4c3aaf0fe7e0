/** What is where on the site: the sidebar, in the order in which a stranger reads it. */

/** A part of the sidebar. */
export interface Section {
  readonly title: string;
  /** Pages by their address without the first slash, such as `quickstart/lightning`. One without a file is left out. */
  readonly pages: readonly string[];
  /** Whether it is closed at first. */
  readonly collapsed?: boolean;
}

export const SECTIONS: readonly Section[] = [
  {
    title: "Start",
    pages: [
      "readme",
      ...["plain", "lightning", "jax", "keras", "sklearn", "typescript"].map((name) => `quickstart/${name}`),
      "faq",
    ],
  },
  {
    title: "Coming from",
    pages: ["mlflow", "wandb", "tensorboard", "neptune"].map((name) => `coming-from-${name}`),
  },
  {
    title: "How to",
    pages: [
      "two-trackers",
      "promote",
      "offline-cluster",
      "serve-by-tag",
      "reproduce",
      "recover",
      "find-faults",
      "registries",
      "secrets",
    ].map((name) => `how-to/${name}`),
  },
  {
    title: "Examples",
    collapsed: true,
    pages: [
      "index",
      "train-with-mlflow",
      "models-in-s3",
      "two-trackers",
      "training-artifact",
      "metaflow-flow",
    ].map((name) => `examples/${name}`),
  },
  {
    title: "Track and train",
    pages: [
      "clients/python",
      "trackers",
      "resuming",
      "training",
      "datasets",
      "hydra",
      "metaflow",
      "compatibility",
    ],
  },
  { title: "Models", pages: ["weights", "registry-policies", "serving", "artifacts"] },
  { title: "See", pages: ["editor", "clients/vscode", "clients/neovim", "ui"] },
  {
    title: "Operate",
    pages: [
      "deploying",
      "remote",
      "security",
      "audit",
      "monitoring",
      "operations",
      "doctor",
      "backup",
      "multi-node",
      "sizing",
    ],
  },
  {
    title: "Reference",
    pages: [
      "reference/python/index",
      "reference/typescript/index",
      "reference/commands",
      "reference/settings",
      "reference/errors",
      "reference/protocol",
    ],
  },
  {
    title: "Inside",
    collapsed: true,
    pages: ["architecture", "benchmarks", "ring", "editor-protocol", "changelog", "contributing"],
  },
];

/** Files outside of docs/ that are pages, by their path in the repository. */
export const FROM_ELSEWHERE: Readonly<Record<string, string>> = {
  "README.md": "readme.md",
  "ARCHITECTURE.md": "architecture.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "clients/python/README.md": "clients/python.md",
  "clients/vscode/README.md": "clients/vscode.md",
  "clients/neovim/README.md": "clients/neovim.md",
};
