import { Dialog } from '@base-ui/react/dialog'
import { Outlet, useRouterState } from '@tanstack/react-router'
import { Menu as MenuIcon, Search } from 'lucide-react'
import { Suspense, useEffect, useState } from 'react'
import { useTexts } from '~/texts'
import { isTyping } from '~/ui/useRows'
import { useFeed } from './live'
import { Navigation } from './Navigation'
import { Palette } from './Palette'
import { ShortcutHelp } from './ShortcutHelp'
import { useGoKeys } from './useGoKeys'

const FIND_KEYS = /Mac|iP(hone|ad)/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'

/** The frame of all pages: navigation, the field that finds anything, and the content. */
export function Shell() {
  const texts = useTexts()
  const [finding, setFinding] = useState(false)
  const [helping, setHelping] = useState(false)
  const [open, setOpen] = useState(false)
  const path = useRouterState({ select: (state) => state.location.pathname })
  useFeed()
  useGoKeys()

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') setFinding(true)
      else if (event.key === '/' && !isTyping(event)) setFinding(true)
      else if (event.key === '?' && !isTyping(event)) setHelping(true)
      else return
      event.preventDefault()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu
  useEffect(() => setOpen(false), [path])

  const find = (
    <button type="button" className="find" onClick={() => setFinding(true)}>
      <Search size={15} aria-hidden />
      <span>{texts.palette.open}</span>
      <kbd>{FIND_KEYS}</kbd>
    </button>
  )
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {texts.nav.skip}
      </a>
      <aside className="side">
        <Navigation find={find} onHelp={() => setHelping(true)} />
      </aside>
      <div>
        <div className="top">
          <button
            type="button"
            className="button plain icon"
            aria-label={texts.nav.open}
            onClick={() => setOpen(true)}
          >
            <MenuIcon size={18} aria-hidden />
          </button>
          {find}
        </div>
        <main className="page" id="content" tabIndex={-1}>
          <Suspense>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <Dialog.Root open={open} onOpenChange={setOpen}>
        <Dialog.Portal>
          <Dialog.Backdrop className="backdrop" />
          <Dialog.Popup className="drawer" aria-label={texts.nav.main}>
            <div className="side">
              <Navigation onHelp={() => setHelping(true)} />
            </div>
          </Dialog.Popup>
        </Dialog.Portal>
      </Dialog.Root>
      {finding && <Palette onClose={() => setFinding(false)} />}
      <ShortcutHelp open={helping} onClose={() => setHelping(false)} />
    </div>
  )
}
