import aiohttp
import pytest


@pytest.fixture
async def browser():
    """A client that follows no redirect and decodes no path on its own."""
    async with aiohttp.ClientSession() as session:
        yield session
