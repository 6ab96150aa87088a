"""Ce que asyncio acceptait avant Python 3.11, accepté encore, avec une remarque."""

import functools

from tp7_guest.journal import remark, where


def patch(module):
    original = module.wait

    @functools.wraps(original)
    async def wait(fs, **options):
        """`asyncio.wait` de coroutines nues : chacune devient une tâche."""
        awaited = list(fs)
        if any(map(module.iscoroutine, awaited)):
            remark("obsolete_wait", **where())
            awaited = [module.ensure_future(one) for one in awaited]
        return await original(awaited, **options)

    module.wait = module.tasks.wait = wait
