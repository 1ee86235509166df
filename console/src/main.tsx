import '@fontsource-variable/inter/wght.css'
import './ui/tokens.css'
import './ui/base.css'
import './ui/components.css'
import './shell/shell.css'
import { CSPProvider } from '@base-ui/react/csp-provider'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { queries } from './api/queries'
import { start } from './session/session'
import { applyTheme } from './shell/theme'
import { chosenLanguage, load, Speaking } from './texts'
import { Toasts } from './ui/toast'

async function main(): Promise<void> {
  applyTheme()
  const language = chosenLanguage()
  document.documentElement.lang = language
  const started = start()
  const texts = await load(language)
  document.title = texts.app
  const root = document.getElementById('root')
  if (!root) throw new Error('index.html has no #root')
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <Speaking language={language} texts={texts}>
          <QueryClientProvider client={queries}>
            <App />
            <Toasts />
          </QueryClientProvider>
        </Speaking>
      </CSPProvider>
    </StrictMode>,
  )
  await started
}

void main()
