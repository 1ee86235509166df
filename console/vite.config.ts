import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import type { Plugin, Rolldown } from 'vite'
import { defineConfig } from 'vitest/config'

// `npm run dev` serves the sources, and sends the API's requests to the system that `make up` runs.
const api = { target: process.env.OMS_URL ?? 'http://localhost:5000', changeOrigin: true }

// The modules of the entry. The application imports it too, and must not take it along.
const START =
  /src.(session.session|pages.load|pages.(orders|products).query|shell.theme|texts.language|api.problem)|preload-helper/
// The application, and the modules that most pages need. A group has all that its modules import.
const APPLICATION =
  /src.(draw|api.(lists|intent)|ui.(Card|Empty|filters|ListFrame|Loaded|LoadMore|OrderBadge|PageHead|SearchBox|SearchOn|Skeleton|Table|current|useRows|useTyped)\.)/

/** Lets index.html load the application beside its entry, which imports it only after it has begun the requests. */
function preloadApplication(): Plugin {
  return {
    name: 'preload-application',
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle = {} }) {
        const chunks = Object.values(bundle).filter((it): it is Rolldown.OutputChunk => it.type === 'chunk')
        const entry = chunks.find((it) => it.isEntry)
        // Vite itself preloads what the entry imports.
        const known = new Set([entry?.fileName, ...(entry?.imports ?? [])])
        const files = new Set<string>()
        const add = (file: string) => {
          if (known.has(file) || files.has(file)) return
          files.add(file)
          for (const part of chunks.find((it) => it.fileName === file)?.imports ?? []) add(part)
        }
        for (const it of chunks) if (it.moduleIds.some((id) => id.endsWith('/src/draw.tsx'))) add(it.fileName)
        return [...files].map((file) => ({
          tag: 'link',
          attrs: { rel: 'modulepreload', crossorigin: true, href: `/${file}` },
          injectTo: 'head' as const,
        }))
      },
    },
  }
}

export default defineConfig({
  plugins: [react(), preloadApplication()],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { host: '127.0.0.1', proxy: { '/api': api, '/docs': api } },
  build: {
    // The content security policy allows no inline scripts, styles or images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // A few files instead of thirty small ones, since HTTP/1.1 loads six at a time.
          groups: [
            { name: 'start', test: START, priority: 2 },
            { name: 'application', test: APPLICATION, priority: 1 },
          ],
        },
      },
    },
    outDir: process.env.OMS_CONSOLE_FOLDER ?? 'dist',
    emptyOutDir: true,
  },
  test: { include: ['tests/**/*.test.ts'] },
})
