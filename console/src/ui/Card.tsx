import type { ReactNode } from 'react'

/** A part of a page with a title. `aside` is at the other end of its head. */
export function Card(props: { title: ReactNode; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="card">
      <header>
        <h2 className="break">{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  )
}
