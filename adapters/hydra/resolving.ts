/**
 * Resolves the interpolations of a config: a pure function of the tree, the environment and the resolvers given.
 * Source: omegaconf/base.py, basecontainer.py and grammar_visitor.py of 2.3; the test asks the real one.
 */

import type { Call, Expression, Interpolation } from "./expressions.ts";
import { refused, Unresolved, unknown } from "./faults.ts";
import { parseElement, parseValue } from "./grammar.ts";
import { GrammarFault } from "./lexer.ts";
import { type Allowance, MAX_CHAIN } from "./limits.ts";
import {
  type ConfigNode,
  type ContainerNode,
  MappingNode,
  pathOf,
  ScalarNode,
  SequenceNode,
} from "./nodes.ts";
import { pythonText } from "./python-text.ts";
import { bareValue, type CallSite, type Found, type Resolvers } from "./resolver.ts";
import { isContainer, select } from "./selecting.ts";
import { type Atom, identityOf, type Plain } from "./values.ts";

type Outcome = { readonly found: Found } | { readonly failure: Unresolved };

export class Resolution {
  readonly allowance: Allowance;
  readonly #resolvers: Resolvers;
  readonly #outcomes = new Map<ScalarNode, Outcome>();
  /** Interpolations that are being resolved, the outermost first. */
  readonly #chain: ScalarNode[] = [];

  constructor(resolvers: Resolvers, allowance: Allowance) {
    this.#resolvers = resolvers;
    this.allowance = allowance;
  }

  /** What a node stands for: itself, unless it is an interpolation. Throws Unresolved, LimitPassed. */
  resolved(node: ConfigNode): Found {
    if (!(node instanceof ScalarNode) || !node.isInterpolation || node.parent === undefined) return node;
    const before = this.#outcomes.get(node);
    const outcome = before ?? this.#work(node);
    if (before === undefined) this.#outcomes.set(node, outcome);
    if ("found" in outcome) return outcome.found;
    throw this.#chain.length === 0 ? outcome.failure : outcome.failure.through(pathOf(node));
  }

  /** The value of a string by the grammar of arguments, as `oc.decode` reads it. Throws Unresolved. */
  decoded(text: string, { node, parent }: CallSite): Found {
    return bareValue(
      this.#evaluate(
        parsed(() => parseElement(text, this.allowance)),
        node,
        parent,
      ),
    );
  }

  /** Python's `str()`: of a container what stands in it, unresolved. Throws LimitPassed. */
  text(found: Found): string {
    return pythonText(this.plain(found), (values) => this.allowance.spend(values));
  }

  /** A container as plain values, unresolved; a list or dict in an interpolation holds them so. Throws LimitPassed. */
  plain(found: Found): Plain {
    this.allowance.spend(1);
    if (found instanceof ScalarNode) return found.value;
    if (found instanceof SequenceNode) return found.items.map((item) => this.plain(item));
    if (!(found instanceof MappingNode)) return found;
    const entries = [...found.entries].map(([identity, { key, node }]): [string, readonly [Atom, Plain]] => [
      identity,
      [key, this.plain(node)],
    ]);
    return new Map(entries);
  }

  #work(node: ScalarNode): Outcome {
    const { parent } = node;
    if (parent === undefined) return { found: node };
    const start = this.#chain.indexOf(node);
    if (start !== -1) return { failure: circle([...this.#chain.slice(start), node]) };
    if (this.#chain.length >= MAX_CHAIN) {
      const what = `leads from value to value more than ${MAX_CHAIN} times`;
      return { failure: refused(what, "Refer to the last value directly.") };
    }
    this.#chain.push(node);
    try {
      const expression = parsed(() => parseValue(String(node.value), this.allowance));
      return { found: this.#evaluate(expression, node, parent) };
    } catch (error) {
      if (error instanceof Unresolved) return { failure: error };
      throw error;
    } finally {
      this.#chain.pop();
    }
  }

  #evaluate(expression: Expression, node: ScalarNode, parent: ContainerNode): Found {
    const evaluate = (part: Expression): Found => this.#evaluate(part, node, parent);
    switch (expression.kind) {
      case "value":
        return expression.value;
      case "reference":
        return this.#follow(this.#named(expression.parts, "", node, parent), parent);
      case "call":
        return this.#call(expression, node, parent);
      case "joined": {
        const texts = expression.parts.map((part) =>
          typeof part === "string" ? part : this.text(evaluate(part)),
        );
        this.allowance.spend(texts.reduce((total, text) => total + text.length, 0));
        return texts.join("");
      }
      case "list":
        return expression.items.map((item) => this.plain(evaluate(item)));
      case "dict": {
        const entries = expression.pairs.map(
          ([key, value]) => [key, this.plain(evaluate(value))] as [Atom, Plain],
        );
        return new Map(entries.map((entry) => [identityOf(entry[0]), entry]));
      }
    }
  }

  #follow(key: string, parent: ContainerNode): Found {
    const found = select(this, parent, key, { throwOnMissing: true });
    if (found === undefined)
      throw refused(`points to \`${key}\`, which is not there`, "Correct the key, or add it.");
    if (isContainer(found)) {
      for (let at: ContainerNode | undefined = parent; at !== undefined; at = at.parent) {
        if (at !== found) continue;
        const what = `points to \`${key}\`, which it is a part of`;
        throw new Unresolved({ code: "cycle", what, mend: "Break the circle.", isError: true });
      }
    }
    return found;
  }

  #call({ name, args }: Call, node: ScalarNode, parent: ContainerNode): Found {
    const full = this.#named(name, ".", node, parent);
    const values = args.map((arg) => bareValue(this.#evaluate(arg, node, parent)));
    const resolver = this.#resolvers.get(full);
    if (resolver === undefined) {
      const what = `uses the resolver \`${full}\`, which only the app itself knows`;
      throw unknown("resolver", what, "Resolve it in the app, where the resolver is registered.");
    }
    return resolver(values, { resolution: this, node, parent });
  }

  /** A key or name, parts of which may be interpolations that give a text. */
  #named(
    parts: readonly (string | Interpolation)[],
    between: string,
    node: ScalarNode,
    parent: ContainerNode,
  ): string {
    const texts = parts.map((part) => {
      if (typeof part === "string") return part;
      const value = bareValue(this.#evaluate(part, node, parent));
      if (typeof value === "string") return value;
      throw refused("builds a name from a value that is no text", "Let the inner interpolation give a text.");
    });
    return texts.join(between);
  }
}

function parsed(parse: () => Expression): Expression {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof GrammarFault)) throw error;
    throw refused(
      `holds an interpolation that cannot be read: ${error.message}`,
      "Correct it, or write `\\${` for a text that is none.",
    );
  }
}

function circle(nodes: readonly ScalarNode[]): Unresolved {
  const paths = nodes.map((node) => `\`${pathOf(node)}\``).join(" -> ");
  const what = `runs in a circle: ${paths}`;
  return new Unresolved({ code: "cycle", what, mend: "Give one of them a value.", isError: true });
}
