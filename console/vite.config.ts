import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// `npm run dev` serves the sources, and sends the API's requests to the system that `make up` runs.
const api = { target: process.env.OMS_URL ?? 'http://localhost:5000', changeOrigin: true }

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { host: '127.0.0.1', proxy: { '/api': api, '/docs': api } },
  build: {
    // The content security policy allows no inline scripts, styles or images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    outDir: process.env.OMS_CONSOLE_FOLDER ?? 'dist',
    emptyOutDir: true,
  },
  test: { include: ['tests/**/*.test.ts'] },
})
