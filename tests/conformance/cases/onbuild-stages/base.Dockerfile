FROM busybox
ONBUILD ARG X=1
ONBUILD RUN echo $X > /x
