/** The site's form. Its pages are written into `pages/` by ../build.ts, never by hand. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { slug } from "../slug.ts";

const sidebar = JSON.parse(readFileSync(join(import.meta.dirname, "../pages/sidebar.json"), "utf8"));

export default defineConfig({
  title: "pipekit-experiment",
  description:
    "Experiment tracking that cannot hurt your training, and a model registry in which a hash is the model.",
  srcDir: "pages",
  outDir: "dist",
  cleanUrls: true,
  lastUpdated: false,
  // Text such as <id> is text, and no element of a page.
  markdown: { html: false, anchor: { slugify: slug }, toc: { slugify: slug } },
  themeConfig: {
    search: { provider: "local" },
    sidebar,
    outline: [2, 3],
    nav: [
      { text: "Start", link: "/quickstart/plain" },
      { text: "How to", link: "/how-to/promote" },
      { text: "Reference", link: "/reference/python/" },
      { text: "Benchmarks", link: "/benchmarks" },
    ],
  },
});
