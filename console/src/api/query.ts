type Given<Value> = Exclude<Value, undefined | null | ''>

/** The parameters of an address, which are plain so that people can read and write them: ?status=pending,confirmed */
export function searchOf(address: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(address))
}

/** Writes an address as the API's client does, which does not encode as URLSearchParams does. */
export function urlOf(path: string, query: object): string {
  const values = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((it) => `${name}=${encodeURIComponent(String(it))}`),
  )
  return `${path}?${values.join('&')}`
}

/** Returns the parameters that have a value. */
export function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]?: Given<Values[Name]> } {
  const found = Object.entries(values).filter(([, it]) => it !== undefined && it !== null && it !== '')
  return Object.fromEntries(found) as { [Name in keyof Values]?: Given<Values[Name]> }
}
