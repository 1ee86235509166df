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
import { firstPage } from './pages/orders/query'
import { readAhead, start } from './session/session'
import { applyTheme } from './shell/theme'
import { chosenLanguage, loadTexts } from './texts/language'

async function main(): Promise<void> {
  applyTheme()
  const language = chosenLanguage()
  document.documentElement.lang = language
  void start()
  const { pathname, search } = location
  if (pathname === '/orders') readAhead(firstPage(searchOf(search)))
  // A page that cannot be loaded is loaded again when it is shown, which then says so.
  loadPage(pathname).catch(() => {})
  const [texts, { draw }] = await Promise.all([loadTexts(language), import('./draw')])
  draw(language, texts)
}

void main()
