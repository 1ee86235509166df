type Given<Value> = Exclude<Value, undefined | null | ''>

/** Returns the parameters that have a value. */
export function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]?: Given<Values[Name]> } {
  const found = Object.entries(values).filter(([, it]) => it !== undefined && it !== null && it !== '')
  return Object.fromEntries(found) as { [Name in keyof Values]?: Given<Values[Name]> }
}
