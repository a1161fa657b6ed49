"""The pages: the browser's face of the service, rendered on the server.

Everything is below `/app` (`paths`), and works without JavaScript; htmx adds what is live. A page is a Litestar
handler that calls the same functions as the API and returns `rendering.page(request, services, "template.html", ...)`.
How to add one is in docs/guides/pages-for-developers.md.

    paths         which paths are pages                     rendering     templates, and what every one of them knows
    navigation    the menu, by permission                   refusing      refusals as pages
    forms         what a form sent; its token               flash         what is said once, on the next page
    assets        the files of static/, by content hash     words         times, numbers, sizes as text
    charts        small exact charts as SVG                 signing_in    sessions, and who one is
    preferences   theme and time zone, in cookies           commands      the equivalent command line and curl

Importing this package alone needs no template engine.
"""
