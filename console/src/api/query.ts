type Given<Value> = Exclude<Value, undefined | null | ''>

/** The parameters of an address, which are plain so that people can read and write them: ?status=pending,confirmed */
export function searchOf(address: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(address))
}

/** Returns the parameters that have a value. */
export function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]?: Given<Values[Name]> } {
  const found = Object.entries(values).filter(([, it]) => it !== undefined && it !== null && it !== '')
  return Object.fromEntries(found) as { [Name in keyof Values]?: Given<Values[Name]> }
}
