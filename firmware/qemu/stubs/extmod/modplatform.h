// The core includes this for the default banner; mpconfigport.h has the names it needs.
