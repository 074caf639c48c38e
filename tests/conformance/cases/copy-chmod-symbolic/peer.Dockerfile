FROM busybox
COPY --chmod=755 file /1
COPY --chmod=715 file /2
COPY exec /4
RUN chmod 4755 /4
COPY --chmod=664 file /5
COPY --chmod=444 dir/b /6/
