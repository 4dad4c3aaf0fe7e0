/** Takes out of texts what is secret, or looks like it. */
import { withoutSecrets } from "../audit/index.ts";
import { SECRET_NAME } from "../lifecycle/index.ts";

export const HIDDEN = "[hidden]";
/** A shorter secret is part of too many words. */
const SHORTEST = 4;
/** From here on a word of a secret is one itself. */
const LONG = 8;
const DEEPEST = 12;

/** What is hidden wherever it stands, and what takes its place. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, HIDDEN],
  // User and password of a URL, also of one that has lost its scheme, whose password has a slash, or that is part of another.
  [/(\/\/)[^\s/?#"'`\\]*@/g, `$1${HIDDEN}@`],
  [/(:\/\/)[^\s/:@"'`]{0,300}:[^\s"'`]{0,300}@/g, `$1${HIDDEN}@`],
  [/(%3A%2F%2F)[^\s"'`]{0,300}?%40/gi, `$1${HIDDEN}@`],
  // Values of a query.
  [/([?&][\w.%-]{1,60})=[^&\s"'`<>()[\]{}]+/g, "$1=..."],
  [/\b(Bearer|Basic|Digest|Negotiate|Token)(\s+)[\w.~+/=-]{4,}/gi, `$1$2${HIDDEN}`],
  // Headers are of many words.
  [/((?:authorization|cookie)\s*[:=]\s*)[^\s"'`][^\n"'`]*/gi, `$1${HIDDEN}`],
  // What stands behind a name that says so, quoted (once or twice, also when the end is cut off) or not: `password: "x y"`, `api_key=x`.
  [
    /((?:passw(?:or)?d|passphrase|pwd|secret|token|authorization|(?:api|access|account|client|private|signing)[-_ ]?key|credential|cookie|(?<![a-z])(?:pass|auth|sig|signature)(?![a-z]))[\w-]{0,60}\\{0,4}["'`]?\s*[:=]\s*(?:[|>][+-]?\s+)?)(?:b?\\{0,4}(?:"[^"]*(?:"|$)|'[^']*(?:'|$)|`[^`]*(?:`|$))|[^\s,;&"'`{}]+)/gi,
    `$1${HIDDEN}`,
  ],
  // Options of programs, and lines of a netrc.
  [
    /((?:^|\s)(?:-u|--(?:user|pass\w*|secret|token|api-?key))\s+|\blogin\s+\S+\s+password\s+)\S+/gi,
    `$1${HIDDEN}`,
  ],
  // Keys by the prefixes of those who give them out: AWS, Databricks, GitHub, GitLab, npm, Slack, Hugging Face, and what comes as `sk-`; JSON web tokens.
  [
    /\b(?:A[KS]IA[A-Z0-9]{12,}|dapi[\da-f]{16,}(?:-\d+)?|gh[a-z]_\w{16,}|glpat-[\w-]{16,}|npm_\w{16,}|xox[a-z]-[\w-]{10,}|hf_\w{16,}|sk-[\w-]{16,}|eyJ[\w-]{8,}(?:\.[\w-]+)*)/g,
    HIDDEN,
  ],
  // Keys of W&B. A commit of git looks the same.
  [/(?<![\da-fA-F])[\da-f]{40}(?![\da-fA-F])/g, HIDDEN],
];
/** Long words of mixed letters and digits. Model ids are longer, of hex alone; run ids shorter. */
const LONG_WORD = /[A-Za-z0-9_+=-]{32,}/g;
/** Secret keys of AWS, which may have slashes; a path that begins where a word does is none. */
const AWS_SECRET = /(?<![\w/+=.-])[A-Za-z0-9+][A-Za-z0-9/+]{39}(?![\w/+=.-])/g;
/** What a foreign text quotes: mostly what it was sent. Where the end was cut off, all of the line: that is found in linear time, too. */
const QUOTED = /(?<![\w])(["'`])(?:(?!\1)[^\\\n]|\\.?)*(?:\1(?!\w)|(?=\n|$))/g;

export class Redactor {
  readonly #known: readonly string[];

  /** `secrets`: values that are known to be secret, and are hidden wherever they stand. */
  constructor(secrets: Iterable<string>) {
    const forms = [...secrets].flatMap(formsOf).filter((text) => text.length >= SHORTEST);
    // The longest first: one may be part of another.
    this.#known = [...new Set(forms)].sort((a, b) => b.length - a.length);
  }

  /** A text of our own. */
  text(text: string): string {
    const known = this.#known.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
    const shaped = SHAPES.reduce((rest, [shape, instead]) => rest.replace(shape, instead), known);
    const hidden = (word: string) => (isMixed(word) ? HIDDEN : word);
    return shaped.replace(AWS_SECRET, hidden).replace(LONG_WORD, hidden);
  }

  /** A text of a tool or a server, which may repeat what it was sent: what it quotes is left out, too. */
  foreign(text: string): string {
    return this.text(text).replace(QUOTED, "$1...$1");
  }

  /** The spec of a tracker or registry, without user, password and the values of its query. */
  spec(spec: string): string {
    return this.text(withoutSecrets(spec));
  }

  /** A JSON value: texts are foreign, and fields that are named like secrets are left out. */
  value(value: unknown, depth = 0): unknown {
    if (typeof value === "string") return this.foreign(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth >= DEEPEST) return HIDDEN;
    if (Array.isArray(value)) return value.map((item) => this.value(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [
        this.text(name),
        SECRET_NAME.test(name) && typeof field !== "number" ? HIDDEN : this.value(field, depth + 1),
      ]),
    );
  }
}

/** A secret and its longer words, such as that of `Bearer x`: as it is, and as it stands in URLs, in JSON and in a header of basic authorization. */
function formsOf(secret: string): string[] {
  const words = secret.split(/\s+/).filter((word) => word.length >= LONG);
  return [secret, ...words].flatMap((text) => [
    text,
    encodeURIComponent(text.toWellFormed()),
    JSON.stringify(text).slice(1, -1),
    Buffer.from(text).toString("base64"),
  ]);
}

function isMixed(word: string): boolean {
  return /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word);
}
