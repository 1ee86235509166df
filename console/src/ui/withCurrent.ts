type Options = [value: string, text: string][]

/** The options of a filter, and the chosen value if it is none of them: a link may have any. */
export function withCurrent(options: Options, current: string | undefined): Options {
  return !current || options.some(([value]) => value === current) ? options : [[current, current], ...options]
}
