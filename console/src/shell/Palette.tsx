/** The field that finds anything: pages by name, orders by id, products by name or SKU, users by e-mail address. */

import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, body, type Order, type Schemas } from '~/api/client'
import { searchProducts } from '~/pages/products/products'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { pagesOf } from './pages'

type Found = { group: string; to: string; text: string; more: string }

const PAUSE_MS = 180
const SHOWN = 5

function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

/** Searches the API. Each part may find nothing, or be refused to this role, without hiding the others. */
async function search(words: string, admin: boolean): Promise<Found[]> {
  const nothing = () => null
  const [order, products, users] = await Promise.all([
    /^[0-9A-Za-z]{16,40}$/.test(words)
      ? body(api.GET('/api/v1/orders/{order_id}', { params: { path: { order_id: words } } })).catch(nothing)
      : null,
    searchProducts(words, SHOWN).catch(nothing),
    admin
      ? body(api.GET('/api/v1/admin/users', { params: { query: { q: words, limit: SHOWN } } })).catch(nothing)
      : null,
  ])
  const found: Found[] = []
  if (order) {
    const it = order as Order
    found.push({ group: 'orders', to: `/orders/${it.id}`, text: it.number, more: it.customer?.email ?? '' })
  }
  for (const it of products ?? [])
    found.push({ group: 'products', to: `/products/${it.id}`, text: it.name, more: it.sku })
  for (const it of (users?.items ?? []) as Schemas['UserResponse'][])
    found.push({
      group: 'users',
      to: `/users/${it.id}`,
      text: it.email,
      more: [it.first_name, it.last_name].filter(Boolean).join(' '),
    })
  return found
}

export default function Palette(props: { onClose: () => void }) {
  const texts = useTexts()
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const [active, setActive] = useState(0)
  const words = useSettled(typed.trim())
  const user = currentUser()
  const { data } = useQuery({
    queryKey: ['find', words],
    queryFn: () => search(words, user?.role === 'admin'),
    enabled: words.length > 1,
    placeholderData: (before) => before,
  })
  const pages: Found[] = pagesOf(user)
    .map((it) => ({ group: 'pages', to: it.to, text: texts.nav[it.name], more: '' }))
    .filter((it) => it.text.toLowerCase().includes(typed.trim().toLowerCase()))
  const found = [...(words.length > 1 ? (data ?? []) : []), ...pages]
  const chosen = Math.min(active, found.length - 1)

  function go(to: string) {
    props.onClose()
    void navigate({ to })
  }

  return (
    <Dialog open onClose={props.onClose} title={texts.palette.open}>
      <input
        className="input"
        role="combobox"
        aria-label={texts.palette.placeholder}
        aria-expanded
        aria-controls="found"
        aria-activedescendant={found[chosen] ? `found-${chosen}` : undefined}
        placeholder={texts.palette.placeholder}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value)
          setActive(0)
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
          if (step) setActive(Math.max(0, Math.min(found.length - 1, chosen + step)))
          else if (event.key === 'Enter' && found[chosen]) go(found[chosen].to)
          else return
          event.preventDefault()
        }}
      />
      <div id="found" role="listbox" aria-label={texts.common.search} className="found">
        {found.map((it, place) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the input
          <div
            key={it.to}
            id={`found-${place}`}
            role="option"
            tabIndex={-1}
            aria-selected={place === chosen}
            onClick={() => go(it.to)}
          >
            <span>{it.text}</span>
            <span className="hint">{it.more || texts.palette[it.group as 'pages']}</span>
          </div>
        ))}
        {!found.length && <p className="quiet">{texts.palette.empty}</p>}
      </div>
    </Dialog>
  )
}
