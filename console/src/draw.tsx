import { CSPProvider } from '@base-ui/react/csp-provider'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { queries } from './api/queries'
import { Speaking } from './texts'
import type { Texts } from './texts/en'
import type { Language } from './texts/language'
import { Toasts } from './ui/toast'

/** Draws the application in this language. */
export function draw(language: Language, texts: Texts): void {
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
}
