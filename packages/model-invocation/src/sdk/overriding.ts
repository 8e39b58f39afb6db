/** The same object with some of its methods replaced; it stays what it is to everybody who looks. */
export function overriding<Target extends object>(target: Target, methods: Partial<Target>): Target {
  return new Proxy(target, {
    get(_, key) {
      if (key in methods) return methods[key as keyof Target]
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
