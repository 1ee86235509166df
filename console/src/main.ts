/**
 * The entry: a small script, which sends the first requests while the browser still loads the application.
 *
 * So it imports neither React nor the client of the API, and the application begins with the data that it shows.
 */

import '@fontsource-variable/inter/wght.css'
import './ui/tokens.css'
import './ui/base.css'
import './ui/components.css'
import './shell/shell.css'
import { searchOf } from './api/query'
import { loadPage } from './pages/load'
import * as orders from './pages/orders/query'
import * as products from './pages/products/query'
import { readAhead, start } from './session/session'
import { applyTheme } from './shell/theme'
import { chosenLanguage, loadTexts } from './texts/language'

const FIRST_PAGES: Record<string, (search: Record<string, string>) => string | null> = {
  '/orders': orders.firstPage,
  '/products': products.firstPage,
}

async function main(): Promise<void> {
  applyTheme()
  const language = chosenLanguage()
  document.documentElement.lang = language
  void start()
  const { pathname, search } = location
  const first = FIRST_PAGES[pathname]?.(searchOf(search))
  if (first) readAhead(first)
  // A page that cannot be loaded is loaded again when it is shown, which then says so.
  loadPage(pathname).catch(() => {})
  const [texts, { draw }] = await Promise.all([loadTexts(language), import('./draw')])
  draw(language, texts)
}

void main()
