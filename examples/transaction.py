"""A message that comes into being with your own row, or not at all."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

from postroom.queues import connect


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        async with connect(f"sqlite:///{path}") as queues:
            await queues.create("orders")
            shop = sqlite3.connect(path)
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")

            for item, paid in (("book", True), ("lamp", False)):
                shop.execute("INSERT INTO orders (item) VALUES (?)", (item,))
                await queues["orders"].send({"item": item}, transaction=shop)
                if paid:
                    shop.commit()
                else:
                    shop.rollback()

            rows = shop.execute("SELECT count(*) FROM orders").fetchone()[0]
            messages = (await queues["orders"].metrics()).backlog_count
            print(f"{rows} order, {messages} message")
            shop.close()


asyncio.run(main())
