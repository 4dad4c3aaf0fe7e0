/**
 * The same object, whose members named in `over` are replaced. The others are called on the object itself, so that its
 * private parts are at hand; each is bound once.
 */
export function withMembers<T extends object>(object: T, over: Partial<T>): T {
  const bound = new Map<PropertyKey, unknown>(Object.entries(over));
  return new Proxy(object, {
    get(target, name) {
      if (bound.has(name)) return bound.get(name);
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      const method = (member as (...given: unknown[]) => unknown).bind(target);
      bound.set(name, method);
      return method;
    },
  });
}
