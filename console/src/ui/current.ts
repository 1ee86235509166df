/** The properties of a link that is a tab. For the router, a link without a search is current at every search, too. */
export function current(is: boolean) {
  return { 'aria-current': is ? ('page' as const) : undefined, activeOptions: { exact: true } }
}
