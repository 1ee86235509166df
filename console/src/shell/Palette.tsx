/** The field that finds anything: pages by name, orders by all that the API finds, products by name or SKU, users by e-mail address. */

import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { findOrders, nameOf } from '~/pages/orders/orders'
import { searchProducts } from '~/pages/products/products'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { pagesOf } from './pages'

type Found = { to: string; search?: Record<string, string>; text: string; more: string }

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
  const [orders, products, users] = await Promise.all([
    findOrders(words, SHOWN).catch(nothing),
    searchProducts(words, SHOWN).catch(nothing),
    admin
      ? body(api.GET('/api/v1/admin/users', { params: { query: { q: words, limit: SHOWN } } })).catch(nothing)
      : null,
  ])
  const found: Found[] = []
  for (const it of orders ?? []) found.push({ to: `/orders/${it.id}`, text: it.number, more: nameOf(it) })
  for (const it of products ?? []) found.push({ to: `/products/${it.id}`, text: it.name, more: it.sku })
  for (const it of (users?.items ?? []) as Schemas['UserResponse'][])
    found.push({
      to: `/users/${it.id}`,
      text: it.email,
      more: [it.first_name, it.last_name].filter(Boolean).join(' '),
    })
  return found
}

export function Palette(props: { onClose: () => void }) {
  const texts = useTexts()
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const [active, setActive] = useState(0)
  // Enter was pressed before the results for the typed words were there.
  const [isHasty, setHasty] = useState(false)
  const wanted = typed.trim()
  const words = useSettled(wanted)
  const user = currentUser()
  const { data, isPlaceholderData, isError } = useQuery({
    queryKey: ['find', words],
    queryFn: () => search(words, user?.role === 'admin'),
    enabled: words.length > 1,
    placeholderData: (before) => before,
  })
  const isSettled =
    wanted === words && (words.length < 2 || isError || (data !== undefined && !isPlaceholderData))
  const pages: Found[] = pagesOf(user)
    .map((it) => ({ to: it.to, text: texts.nav[it.name], more: texts.palette.pages }))
    .filter((it) => it.text.toLowerCase().includes(wanted.toLowerCase()))
  const inOrders: Found = {
    to: '/orders',
    search: { q: words },
    text: texts.palette.inOrders(words),
    more: texts.nav.orders,
  }
  const found = [
    ...(words.length > 1 ? (data ?? []) : []),
    ...pages,
    ...(isSettled && words.length > 1 ? [inOrders] : []),
  ]
  const chosen = Math.min(active, found.length - 1)
  const first = found[chosen]

  function go({ to, search = {} }: Found) {
    props.onClose()
    void navigate({ to, search })
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was found first when the search ended
  useEffect(() => {
    if (isHasty && isSettled && first) go(first)
  }, [isHasty, isSettled])

  return (
    <Dialog open onClose={props.onClose} title={texts.palette.open}>
      <input
        className="input"
        autoFocus
        role="combobox"
        aria-label={texts.palette.placeholder}
        aria-expanded
        aria-controls="found"
        aria-activedescendant={first ? `found-${chosen}` : undefined}
        placeholder={texts.palette.placeholder}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value)
          setActive(0)
          setHasty(false)
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
          if (step) setActive(Math.max(0, Math.min(found.length - 1, chosen + step)))
          else if (event.key === 'Enter' && !isSettled) setHasty(true)
          else if (event.key === 'Enter' && first) go(first)
          else return
          event.preventDefault()
        }}
      />
      <div id="found" role="listbox" aria-label={texts.common.search} className="found">
        {found.map((it, place) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the input
          <div
            key={`${it.to} ${it.search?.q}`}
            id={`found-${place}`}
            role="option"
            tabIndex={-1}
            aria-selected={place === chosen}
            onClick={() => go(it)}
          >
            <span className="break">{it.text}</span>
            <span className="hint">{it.more}</span>
          </div>
        ))}
        {!found.length && (
          <p className="quiet">{isSettled ? texts.palette.empty : texts.palette.searching}</p>
        )}
      </div>
    </Dialog>
  )
}
